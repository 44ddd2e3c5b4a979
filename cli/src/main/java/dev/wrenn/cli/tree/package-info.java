/** Which commands there are. */
@NullMarked
package dev.wrenn.cli.tree;

import org.jspecify.annotations.NullMarked;
