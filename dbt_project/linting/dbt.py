"""What sqlfluff sees in place of dbt's cross-database macros. dbt itself never reads this.

sqlfluff's own dbt templater would open the warehouse for every lint; a function call of the same
name parses just as well.
"""


def dateadd(datepart: str, interval: str, from_date: str) -> str:
    return f"dateadd({from_date}, {interval}, '{datepart}')"


def datediff(first_date: str, second_date: str, datepart: str) -> str:
    return f"datediff('{datepart}', {first_date}, {second_date})"


def hash(expression: str) -> str:
    return f"md5({expression})"


def type_string() -> str:
    return "varchar"
