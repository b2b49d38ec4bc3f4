# Completes a line as a person does, in a shell within a shell, and prints what was found.
# Use: zsh -f complete.zsh SCRIPT DIRECTORY LINE
zmodload zsh/zpty
zpty inner zsh -f -i
cat > $2/setup.zsh <<'SETUP'
PROMPT= RPROMPT=
autoload -U compinit; compinit -u -d $HOME/dump
source $SCRIPT
bindkey '^I' complete-word
finish() { print -r -- DONE; exit }
comppostfuncs=(finish)
compadd() {
  # With these it fills an array of the caller, and adds nothing.
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then builtin compadd "$@"; return; fi
  local -a seen; builtin compadd -A seen "$@"; print -rl -- FOUND:$^seen
}
print -r -- READY
SETUP
zpty -w inner "SCRIPT=${(q)1} HOME=${(q)2} source ${(q)2}/setup.zsh"
while zpty -r inner line; do [[ $line == READY* ]] && break; done
zpty -w -n inner "$3"$'\t'
while zpty -r inner line; do print -r -- "$line"; [[ $line == *DONE* ]] && break; done
