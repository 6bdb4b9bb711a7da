{:watch {:site {:url "git.example.org/site" :branch "feature branch" :every "100ms" :token "ghp_x"}}}
