/* How programs tell libxdp's dispatcher when to run them; here they are alone, and nobody asks. */
#ifndef DYNMON_XDP_HELPERS_H
#define DYNMON_XDP_HELPERS_H

#define XDP_RUN_CONFIG(program) _##program SEC(".xdp_run_config")
#define XDP_DEFAULT_RUN_PRIO 50
#define XDP_DEFAULT_CHAIN_CALL_ACTIONS (1 << XDP_PASS)

#endif
