-- What wrk sends to etcd: puts of PAYLOAD_BYTES under ever new keys, over its
-- gateway from JSON. Keys and values are base64 there; digits in fours are
-- that already.
dofile(os.getenv("TOOLS") .. "/figures.lua")

local size = tonumber(os.getenv("PAYLOAD_BYTES"))
local rest = {[0] = "", "eA==", "eHg="}
local value = string.rep("eHh4", math.floor(size / 3)) .. rest[size % 3]
local headers = {["content-type"] = "application/json"}
local count = 0

function request()
    count = count + 1
    return wrk.format("POST", "/v3/kv/put", headers,
        string.format('{"key":"%012d","value":"%s"}', count, value))
end
