{:http {:bind "localhost"}}
