BPF_ARRAY(PKT_COUNTER, uint64_t, 1);

HANDLER
{
	unsigned int key = 0;
	u64 *counter = PKT_COUNTER.lookup(&key);

	if (counter)
		__sync_fetch_and_add(counter, 1);
	return RX_OK;
}
