{:watch {:site {:url "https://tom:hunter2@git.example.org/site.git" :branch "main"}}}
