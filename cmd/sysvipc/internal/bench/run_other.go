//go:build !(linux && (amd64 || arm64))

package bench

import (
	"context"
	"errors"
	"fmt"
)

var errPort = fmt.Errorf("bench measures on Linux, on amd64 and arm64: %w", errors.ErrUnsupported)

// Run measures on other ports.
func Run(context.Context, *Options) (*Result, error) { return nil, errPort }

// End is what the processes of a run execute, on other ports.
func End(string) error { return errPort }
