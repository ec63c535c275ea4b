-- What wrk sends to a node.
--
-- TOPIC names the topic, PAYLOAD_BYTES the size of one payload, BULK how many
-- messages go in one request (0: POST /api/messages).
dofile(os.getenv("TOOLS") .. "/figures.lua")

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
