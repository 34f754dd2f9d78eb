//go:build !unix

package run

import (
	"errors"

	"github.com/sysvipc/sysvipc/internal/cli"
)

func mayExecute(string) error { return nil }

func become(string, []string, []string) error {
	return &cli.Error{Code: cli.ExitRunFailed, Err: errors.ErrUnsupported}
}
