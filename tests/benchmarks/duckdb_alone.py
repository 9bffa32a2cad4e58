"""The customer table of Online Retail with one DuckDB script: only the SQL, written to one table.

As an analyst would write it. No lake, no gate, no lifecycle, no returns set against the purchase
they take back, no tests; for one file, one mapping and one as-of day.
"""

import sys
from pathlib import Path

import duckdb

CUSTOMER_TABLE = """
create table customer_table as
with

lines as (
    select
        InvoiceNo as document_number,
        cast(cast(CustomerID as bigint) as varchar) as customer_number,
        cast(InvoiceDate as date) as invoiced_on,
        cast(Quantity as decimal(12, 0)) * cast(UnitPrice as decimal(12, 3)) as amount
    from read_parquet(?)
),

company as (
    select sum(amount) as net_revenue from lines
),

documents as (
    select
        customer_number,
        min(invoiced_on) as invoiced_on,
        sum(amount) as amount,
        document_number not like 'C%' and sum(amount) > 0 as is_purchase
    from lines
    where customer_number is not null
    group by customer_number, document_number
),

customers as (
    select
        customer_number,
        sum(amount) as net_revenue_total,
        coalesce(sum(amount) filter (where invoiced_on >= date '2010-12-10'), 0) as net_revenue_12m,
        min(invoiced_on) filter (where is_purchase) as first_ordered_on,
        max(invoiced_on) filter (where is_purchase) as last_ordered_on,
        count(*) filter (where is_purchase) as order_count,
        count(distinct invoiced_on) filter (where is_purchase) as purchase_day_count
    from documents
    group by customer_number
),

cumulated as (
    select
        customer_number,
        sum(net_revenue_total) over (
            order by net_revenue_total desc, customer_number
            rows between unbounded preceding and current row
        ) - net_revenue_total as revenue_before,
        sum(net_revenue_total) over () as total
    from customers
    where net_revenue_total > 0
),

ranked as (
    select
        customer_number,
        cast(1 + least(4, floor(5 * percent_rank() over (order by last_ordered_on))) as integer)
            as recency_score,
        cast(1 + least(4, floor(5 * percent_rank() over (order by purchase_day_count))) as integer)
            as frequency_score,
        cast(1 + least(4, floor(5 * percent_rank() over (order by net_revenue_total))) as integer)
            as monetary_score
    from customers
    where order_count > 0
)

select
    customers.customer_number,
    customers.net_revenue_total,
    customers.net_revenue_12m,
    cast(customers.net_revenue_total as double) / cast(company.net_revenue as double)
        as revenue_share,
    customers.first_ordered_on,
    customers.last_ordered_on,
    customers.order_count,
    case
        when cumulated.revenue_before < 0.80 * cumulated.total then 'A'
        when cumulated.revenue_before < 0.95 * cumulated.total then 'B'
        else 'C'
    end as abc_class,
    ranked.recency_score,
    ranked.frequency_score,
    ranked.monetary_score,
    case
        when customers.net_revenue_12m >= 500000 then 'Strategic partner'
        when customers.net_revenue_12m >= 150000 then 'Premium'
        when customers.net_revenue_12m >= 50000 then 'Business'
        else 'No tier'
    end as tier
from customers
cross join company
left join cumulated on customers.customer_number = cumulated.customer_number
left join ranked on customers.customer_number = ranked.customer_number
"""

GOLDEN = """
select
    abc_class,
    count(*) as customers,
    count(*) filter (where net_revenue_total > 0) as with_revenue,
    round(sum(greatest(net_revenue_total, 0)), 2) as revenue,
    round(sum(sum(net_revenue_total)) over (), 2) as net_revenue_of_all
from customer_table
group by abc_class
order by abc_class
"""


def main(source: Path, target: Path) -> None:
    """Write the customer table of one Parquet file of invoice lines into a new DuckDB file."""
    with duckdb.connect(str(target)) as db:
        db.execute(CUSTOMER_TABLE, [str(source)])
        print(db.sql(GOLDEN))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
