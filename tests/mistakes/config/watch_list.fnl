{:watch ["https://git.example.org/site.git"]}
