# the server
{:http {:bind "none"}}
