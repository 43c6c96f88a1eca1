package redisstream

import "strconv"

// Publishers and their retries write what they send in RESP themselves: go-redis takes a command as a list of `any`,
// which is an allocation for each word of each message, and looks at the type of each once more.

// appendCommand begins a command of so many words.
func appendCommand(dst []byte, words int) []byte { return appendNumber(dst, '*', words) }

// appendWord appends a word of a command.
func appendWord[T ~string | ~[]byte](dst []byte, word T) []byte {
	dst = appendNumber(dst, '$', len(word))
	dst = append(dst, word...)
	return append(dst, '\r', '\n')
}

// appendDecimal appends a number as a word.
func appendDecimal(dst []byte, n uint64) []byte {
	var digits [20]byte
	return appendWord(dst, strconv.AppendUint(digits[:0], n, 10))
}

func appendNumber(dst []byte, kind byte, n int) []byte {
	dst = append(dst, kind)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, '\r', '\n')
}
