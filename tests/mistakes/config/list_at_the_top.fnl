[:http {:bind "none"}]
