-- What wrk sends, and one line of figures for scripts/bench.
--
-- TOPIC names the topic, PAYLOAD_BYTES the size of one payload, BULK how many
-- messages go in one request (0: POST /api/messages).
local size = tonumber(os.getenv("PAYLOAD_BYTES"))
local bulk = tonumber(os.getenv("BULK"))
local payload = '"' .. string.rep("x", size - 2) .. '"'

wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
if bulk > 0 then
    wrk.path = "/api/bulk_messages"
    local payloads = {}
    for i = 1, bulk do
        payloads[i] = payload
    end
    payload = "[" .. table.concat(payloads, ",") .. "]"
else
    wrk.path = "/api/messages"
end
wrk.body = '{"topic":"' .. os.getenv("TOPIC") .. '","attributes":{},"payload":' .. payload .. "}"

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\nFIGURES {"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, ' ..
        '"failed": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50),
        latency:percentile(99), errors.connect + errors.read + errors.write +
        errors.status + errors.timeout))
end
