#!/bin/sh
# Find a Chromium for the browser tests, or install one on Debian as root; without one they are skipped.
set -u
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null && exit 0
fi
echo "No Chromium here: the browser tests will be skipped. Install chromium to run them."
