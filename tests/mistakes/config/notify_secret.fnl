{:secrets {:slack_webhook "https://hooks.slack.com/services/T/B/x"}
 :notify {:targets {:team {:slack {:secret "slack-webhook"}}} :rules [{:to "team"}]}}
