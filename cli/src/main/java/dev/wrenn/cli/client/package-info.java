/** The public API from a client's side. */
@NullMarked
package dev.wrenn.cli.client;

import org.jspecify.annotations.NullMarked;
