"""Pure rules as plain functions: `now` is an argument; no Faust, no Kafka, no HTTP, no clock."""
