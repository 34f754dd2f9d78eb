package output

import (
	"unicode/utf8"

	"github.com/sysvipc/sysvipc"
)

// Message is a message of a queue: its text, or in base64 what is not UTF-8.
type Message struct {
	Index  *int    `json:"index,omitempty"` // its place in the queue, from 0
	Type   int64   `json:"type"`
	Size   int     `json:"size"` // bytes
	Text   *string `json:"text,omitempty"`
	Base64 []byte  `json:"base64,omitempty"`
}

// MessageOf is a message. With a negative index, its place is not told.
func MessageOf(msg sysvipc.Message, index int) *Message {
	m := &Message{Type: msg.Type, Size: len(msg.Data)}
	if index >= 0 {
		m.Index = &index
	}
	if utf8.Valid(msg.Data) {
		text := string(msg.Data)
		m.Text = &text
	} else {
		m.Base64 = msg.Data
	}
	return m
}

// Contents are what "show" counts of the messages of a queue; both are nil if this user may not read them.
type Contents struct {
	Counted *int          `json:"counted"`
	Types   []MessageType `json:"types" nullable:"yes"`
}

// MessageType are the messages of one type. Bytes, Smallest and Largest are bytes.
type MessageType struct {
	Type     int64       `json:"type"`
	Messages int         `json:"messages"`
	Bytes    int         `json:"bytes"`
	Smallest int         `json:"smallest"`
	Largest  int         `json:"largest"`
	First    int         `json:"first"` // the index of the first one
	Sizes    []SizeCount `json:"sizes"`
}

// SizeCount is how many messages have at most so many bytes, and more than the one before.
type SizeCount struct {
	UpTo     int `json:"up_to"`
	Messages int `json:"messages"`
}
