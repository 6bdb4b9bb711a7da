{:watch {:site {:url "https://git.example.org/site.git" :branches ["main"] :interval "5m"}}}
