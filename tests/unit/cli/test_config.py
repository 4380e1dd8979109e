"""Settings of polycubectl: file, environment, and what is wrong with them."""

import pytest

from dynmon.cli.polycubectl.config import CONFIG_FILE, Config, ConfigError, load_config


@pytest.fixture
def home(tmp_path):
    def write(text):
        file = tmp_path / CONFIG_FILE
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return {"HOME": str(tmp_path)}

    return write


def test_defaults_need_no_file_and_write_none(tmp_path):
    assert Config() == load_config({"HOME": str(tmp_path)})
    assert [] == list(tmp_path.iterdir())


def test_the_file_of_the_original_is_read(home):
    config = load_config(
        home(
            "debug: true\nexpert: true\nurl: http://10.0.0.1:9000/polycube/v1/\nsingleparameterworkaround: false\n"
            "cacert: ''\ncert: ''\nkey: ''\nversion: 5\n"
        )
    )

    assert Config("http://10.0.0.1:9000/polycube/v1/", debug=True, singleparameterworkaround=False) == config


def test_the_environment_wins(home):
    environment = home("url: http://a/\ndebug: true\n") | {
        "POLYCUBECTL_URL": "https://b:1/",
        "POLYCUBECTL_DEBUG": "false",
        "POLYCUBECTL_CACERT": "ca.pem",
        "POLYCUBECTL_CERT": "c.pem",
        "POLYCUBECTL_KEY": "k.pem",
    }

    assert Config("https://b:1/", debug=False, cacert="ca.pem", cert="c.pem", key="k.pem") == load_config(environment)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("url: [", "is not YAML"),
        ("just words", "must have lines such as"),
        ("url: 3", "url in .* must be text, not 3"),
        ("debug: maybe", "debug in .* must be true or false, not 'maybe'"),
        ("cert: c.pem", "cert and key go together"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(home, text, message):
    with pytest.raises(ConfigError, match=message):
        load_config(home(text))


def test_a_variable_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(ConfigError, match="debug in POLYCUBECTL_DEBUG must be true or false"):
        load_config({"HOME": str(tmp_path), "POLYCUBECTL_DEBUG": "2"})
