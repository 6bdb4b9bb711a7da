{:http {:public-url "https://tom:hunter2@ci.example.org"}}
