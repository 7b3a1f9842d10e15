#!/bin/sh
# How to link liburing: statically where there is an archive, so that the addon needs no liburing where it runs.
archive=$(${CXX:-c++} -print-file-name=liburing.a)
if [ -e "$archive" ]; then echo "$archive"; else echo -luring; fi
