{:github {:token "x"}}
