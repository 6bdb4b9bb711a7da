{:pass-env "SSH_AUTH_SOCK"}
