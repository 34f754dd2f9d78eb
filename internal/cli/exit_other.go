//go:build !linux

package cli

import "github.com/sysvipc/sysvipc"

// errRemovedWaiting never comes: there is nothing to wait for here.
var errRemovedWaiting = sysvipc.ErrRemoved
