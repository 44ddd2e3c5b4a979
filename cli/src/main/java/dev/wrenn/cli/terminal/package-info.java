/** What people see. */
@NullMarked
package dev.wrenn.cli.terminal;

import org.jspecify.annotations.NullMarked;
