{:policy {:signatures {:key "cosign.pub" :identity "ci@example.org"}}}
