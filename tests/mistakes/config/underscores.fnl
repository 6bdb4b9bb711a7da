{:http {:public_url "https://ci.example.org"} :limits {:run_timeout "1h"}}
