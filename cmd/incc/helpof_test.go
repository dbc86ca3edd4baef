package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestHelpOfSubcommands asks for the help of subcommands as help COMMAND SUBCOMMAND.
func TestHelpOfSubcommands(t *testing.T) {
	for _, x := range []struct {
		args []string
		want string // a part of the output
	}{
		{[]string{"help", "data", "inspect"}, "incc data inspect - "},
		{[]string{"help", "gen", "go"}, "incc gen go - "},
		{[]string{"h", "gen", "go"}, "incc gen go - "},
		{[]string{"help", "gen"}, "incc gen - "},
		{[]string{"help", "train"}, "incc train - "},
	} {
		var out, errs bytes.Buffer
		if code := run(append([]string{"incc"}, x.args...), strings.NewReader(""), &out, &errs); code != exitOK || !strings.Contains(out.String(), x.want) {
			t.Errorf("%v: exit code %d, %s%s", x.args, code, out.String(), errs.String())
		}
	}
}

// TestTopicNames explains other words for a topic.
func TestTopicNames(t *testing.T) {
	for word, topic := range topicNames {
		text, ok := explain(word)
		if want, _ := explain(topic); !ok || text != want {
			t.Errorf("%s is not explained as %s", word, topic)
		}
	}
}
