package region

import (
	"bytes"
	"encoding/json"
	"unicode"
	"unicode/utf8"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

// docValue makes JSON of a document's bytes: the value itself if they are JSON, on one line
// and with nothing that a terminal might take for a command; else the bytes in base64, with
// the name of the codec. A document that was never stored is null.
func docValue(a *dynamic.Doc, data []byte) rawJSON {
	var line bytes.Buffer
	switch {
	case data == nil:
		return rawJSON("null")
	case a.Codec != "json" || json.Compact(&line, data) != nil:
		return output.Append(nil, output.Base64{Codec: &a.Codec, Base64: data})
	}
	return escapeJSON(line.Bytes())
}

// escapeJSON escapes the characters of JSON that do not print: they stand in strings only.
func escapeJSON(text []byte) []byte {
	var out []byte
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r < utf8.RuneSelf && r != 0x7f || r != utf8.RuneError && unicode.IsPrint(r) {
			out = append(out, text[:n]...)
		} else {
			quoted := output.AppendString(nil, string(text[:n]))
			out = append(out, quoted[1:len(quoted)-1]...)
		}
		text = text[n:]
	}
	return out
}

// setDoc returns the change that sets a document to JSON.
func setDoc(a *dynamic.Doc, text string) (func([]byte) ([]byte, error), error) {
	if a.Codec != "json" {
		return nil, kindError(a, "its codec is %q, and this command only writes JSON", a.Codec)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, []byte(text)); err != nil {
		return nil, cli.Usage("VALUE: this is not JSON: %w", err)
	}
	return func([]byte) ([]byte, error) { return line.Bytes(), nil }, nil
}
