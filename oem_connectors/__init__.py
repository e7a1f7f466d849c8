"""Who we talk to: one folder per car maker, mostly data, all keeping the promises in `conformance`."""
