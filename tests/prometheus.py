"""A real Prometheus on the loopback that scrapes what a test gives it, and answers queries."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support import PROMETHEUS, wait_until

INTERVAL = "500ms"
STOP_SECONDS = 15.0
SCRAPE_SECONDS = 30.0
# Both formats: Prometheus 2.42 takes OpenMetrics wherever it is offered, so the query has to ask for the other.
FORMATS = ("openmetrics", "text")

Labels = frozenset[tuple[str, str]]


@dataclass
class Prometheus:
    """A running Prometheus.

    A test sends its packets, calls `wait_for_scrape`, and asks. Samples that a query finds are then of a scrape that
    began after the packets were sent.
    """

    process: subprocess.Popen[bytes]
    http: httpx.Client

    def wait_for_scrape(self, *jobs: str) -> None:
        """Return when every target of `jobs`, or of all jobs, was scraped well by a scrape that began after the call.

        The `up` of a scrape becomes visible together with the samples.
        """
        now = time.time()
        selector = f'{{__name__="up",job=~"{"|".join(jobs) or ".+"}"}}'

        def is_scraped() -> bool:
            stamps = self.query(f"timestamp({selector})")
            well = self.query(f"{selector} == 1")
            targets = [each for each in self._get("targets")["activeTargets"] if not jobs or each["scrapePool"] in jobs]
            return 0 < len(targets) == len(well) == len(stamps) and min(stamps.values()) > now

        try:
            wait_until(is_scraped, f"Prometheus to scrape {selector}", SCRAPE_SECONDS)
        except pytest.fail.Exception as error:
            pytest.fail(f"{error}; its targets say: {self.errors()}")

    def query(self, expression: str) -> dict[Labels, float]:
        """What an expression gives now: numbers by their labels, the name among them.

        A test fails on an expression that Prometheus does not take.
        """
        answer = self._get("query", query=expression)
        assert answer["resultType"] in ("vector", "scalar"), answer
        if answer["resultType"] == "scalar":
            return {frozenset(): float(answer["result"][1])}
        return {frozenset(each["metric"].items()): float(each["value"][1]) for each in answer["result"]}

    def value(self, expression: str) -> float:
        """The only number that an expression gives."""
        found = self.query(expression)
        assert 1 == len(found), f"{expression} gives {found}"
        return next(iter(found.values()))

    def errors(self) -> dict[str, str]:
        """Why targets could not be scraped, by their URL."""
        targets = self._get("targets")["activeTargets"]
        return {each["scrapeUrl"]: each["lastError"] for each in targets if each["lastError"]}

    def metadata(self, job: str) -> dict[str, str]:
        """The type of each family that the targets of a job have, by the name under which the text has it."""
        found = self._get("targets/metadata", match_target=f'{{job="{job}"}}')
        return {each["metric"]: each["type"] for each in found}

    def _get(self, what: str, **parameters: str) -> Any:
        response = self.http.get(f"/api/v1/{what}", params=parameters)
        body = response.json()
        assert "success" == body["status"], body.get("error")
        return body["data"]


@contextmanager
def running_prometheus(folder: Path, jobs: Sequence[Mapping[str, Any]]) -> Iterator[Prometheus]:
    """A Prometheus with these `scrape_configs`, that keeps its files in `folder` and ends with the block."""
    assert PROMETHEUS, "prometheus is not here; scripts/setup dev brings it"
    folder.mkdir(parents=True)
    config, output = folder / "prometheus.yml", folder / "output"
    intervals = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL}
    config.write_text(yaml.safe_dump({"global": intervals, "scrape_configs": list(jobs)}))
    command = [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with output.open("wb") as target:
        process = subprocess.Popen(
            [*command, "--web.listen-address=127.0.0.1:0"],
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "GOMAXPROCS": "1"},
        )
    try:
        port = _port(process, output)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            wait_until(lambda: 200 == http.get("/-/ready").status_code, "Prometheus to be ready")
            yield Prometheus(process, http)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _port(process: subprocess.Popen[bytes], output: Path) -> int:
    found: list[str] = []

    def listens() -> bool:
        found.extend(re.findall(r'msg="Listening on" address=127\.0\.0\.1:(\d+)', output.read_text()))
        if process.poll() is not None:
            pytest.fail(f"prometheus exited with {process.returncode}:\n{output.read_text()}")
        return bool(found)

    wait_until(listens, "Prometheus to listen")
    return int(found[0])


def jobs_of(url: str) -> list[dict[str, Any]]:
    """A job for each format of the daemon at `url`, called after it."""
    targets = [{"targets": [url.removeprefix("http://")]}]
    return [{"job_name": each, "params": {"format": [each]}, "static_configs": targets} for each in FORMATS]
