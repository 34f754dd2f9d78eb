//go:build !unix

package run

import "errors"

func mayExecute(string) error { return nil }

func become(string, []string, []string) error {
	return &Error{CodeFailed, errors.ErrUnsupported}
}
