{:http {:bind 7878}}
