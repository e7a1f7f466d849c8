-- What settled sessions cost and saved, by currency; from the file that kcat writes:
--   kcat -b 127.0.0.1:9092 -t d2ev.session.event.v1 -C -e -q -J > sessions.jsonl
with records as (
    select headers[list_position(headers, 'ce_id') + 1] as ce_id, payload::json as message
    from read_json('sessions.jsonl', format = 'newline_delimited', columns = {headers: 'varchar[]', payload: 'varchar'})
    where payload is not null
),
-- At least once: a record may lie there twice under one ce_id.
once as (select distinct on (ce_id) message from records),
-- Corrections come again with a higher revision, and the highest counts.
settled as (
    select message from once
    qualify row_number() over (partition by message->>'session_id' order by (message->>'revision')::int desc) = 1
)
select
    message->>'currency' as currency,
    count(*) as sessions,
    round(sum((message->>'energy_kwh')::double), 1) as energy_kwh,
    round(sum((message->'cost'->>'managed')::double), 2) as cost,
    round(sum((message->>'saving')::double), 2) as saved,
    round(sum((message->>'carbon_saved_g')::double) / 1000, 1) as carbon_saved_kg
from settled
group by all
order by currency;
