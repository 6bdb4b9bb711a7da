{:http {:public-url "ci.example.org"}}
