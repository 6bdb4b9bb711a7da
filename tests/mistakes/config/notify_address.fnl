{:notify {:targets {:team {:slack "hooks.slack.com/services/T/B/x"}} :rules [{:to "team"}]}}
