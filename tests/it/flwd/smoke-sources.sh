#!/bin/sh
# Registers a source, plans and runs a job of it, and looks at its provenance and its events: the smoke script of the README.
# Variables: BASE_URL, FLWD_TOKEN, SOURCE_NAME, SOURCE_TYPE (local|git), SOURCE_URL, GIT_REF, JOB_ID, REF_PATH, RUN_MESSAGE.
set -eu
: "${BASE_URL:=http://127.0.0.1:8080}" "${FLWD_TOKEN:=dev-token}" "${SOURCE_NAME:=demo-local}" "${SOURCE_TYPE:=local}"
: "${GIT_REF:=main}" "${JOB_ID:=demo}" "${REF_PATH:=demo}" "${RUN_MESSAGE:=smoke}"

call() { # call METHOD PATH [BODY [OPTION…]]
  method=$1 path=$2 body=${3:-}
  shift $(($# < 3 ? $# : 3))
  curl -fsS -X "$method" "$BASE_URL$path" -H 'Content-Type: application/json' -H "Authorization: Bearer $FLWD_TOKEN" ${body:+-d "$body"} "$@"
}

if [ "$SOURCE_TYPE" = git ]; then
  source=$(jq -nc --arg n "$SOURCE_NAME" --arg u "$SOURCE_URL" --arg r "$GIT_REF" '{type: "git", name: $n, url: $u, ref: $r}')
else
  source=$(jq -nc --arg n "$SOURCE_NAME" --arg r "$REF_PATH" '{type: "local", name: $n, ref: $r}')
fi
call POST /sources "$source" | jq -e --arg n "$SOURCE_NAME" '.name == $n' >/dev/null
call GET "/sources/$SOURCE_NAME" | jq -e --arg t "$SOURCE_TYPE" '.type == $t' >/dev/null
request=$(jq -nc --arg j "$JOB_ID" --arg n "$SOURCE_NAME" --arg m "$RUN_MESSAGE" '{job_id: $j, args: {name: $m}, source: {name: $n}}')
call POST /plans "$request" | jq -e --arg n "$SOURCE_NAME" '.provenance.source.name == $n' >/dev/null
run=$(call POST /runs "$request" | jq -re .id)
status=queued tries=0
while [ "$status" = queued ] || [ "$status" = running ]; do
  status=$(call GET "/runs/$run" | jq -re .status)
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || exit 1
done
[ "$status" = completed ] || { echo "the run ends as $status" >&2; exit 1; }
# The stream stays open after the end of the run.
call GET "/runs/$run/events" "" --max-time 1 2>/dev/null | grep -q '^event: run.finish'
call GET "/runs/$run" | jq -ce .provenance.source
