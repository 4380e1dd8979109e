/* How tc's own loader had maps declared: code that only names the header loads, maps in a section "maps" do not. */
#ifndef DYNMON_BPF_ELF_H
#define DYNMON_BPF_ELF_H

#include <asm/types.h>

#define ELF_MAX_MAPS 64
#define ELF_MAX_LICENSE_LEN 128
#define ELF_SECTION_LICENSE "license"
#define ELF_SECTION_MAPS "maps"
#define ELF_SECTION_PROG "prog"
#define ELF_SECTION_CLASSIFIER "classifier"
#define ELF_SECTION_ACTION "action"

#define PIN_NONE 0
#define PIN_OBJECT_NS 1
#define PIN_GLOBAL_NS 2

struct bpf_elf_map {
	__u32 type;
	__u32 size_key;
	__u32 size_value;
	__u32 max_elem;
	__u32 flags;
	__u32 id;
	__u32 pinning;
	__u32 inner_id;
	__u32 inner_idx;
};

#endif
