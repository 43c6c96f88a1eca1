// Package di composes applications with google/wire: [Memory] and [Redis] are the same program over two transports, and
// their injectors in inject.go differ in one line, the transport's set.
//
// A program that composes more than that has an injector of its own, which names app/di/core and the package of its
// transport, as examples/chat does; it then depends on that transport alone. Nothing else in roombus knows of wire: a
// program may as well call the constructors.
package di
