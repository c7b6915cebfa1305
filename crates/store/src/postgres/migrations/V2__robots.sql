-- Nothing to do: this backend came after the column, so its first version has it.
SELECT 1;
