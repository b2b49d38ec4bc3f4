#!/bin/sh
# Keeps a token at hand in a pipeline: a new one when the old one has expired, and a red build when it was tampered
# with or is for somebody else. Needs AUTHSEC_SERVER, AUTHSEC_CLIENT_ID and a session in AUTHSEC_TOKEN.
set -u
file=${1:-token.jwt}
audience=https://billing.example

authsec token verify "$file" --audience "$audience" >/dev/null
code=$?
case $code in
  0) ;;                                                              # as good as new
  6 | 11) authsec token mint --audience "$audience" --out "$file" ;; # none yet, or expired and otherwise fine
  20 | 21 | 22 | 23) exit 75 ;;                                      # nobody could tell: try the job again
  *) exit "$code" ;;                                                 # 13: not what the server signed
esac
