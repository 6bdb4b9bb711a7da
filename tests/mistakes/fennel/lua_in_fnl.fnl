local ci = require("quire.ci")
ci:job("test", {"quire/push"}, function() sh("make") end)
