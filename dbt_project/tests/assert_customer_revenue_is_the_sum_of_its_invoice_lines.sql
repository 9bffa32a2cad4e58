with

summed as (
    select
        customer_id,
        sum(line_amount_net) as net_amount
    from {{ ref('fct_invoice_lines') }}
    where customer_id is not null
    group by customer_id
),

customers as (
    select * from {{ ref('customer_360') }}
),

final as (
    select
        coalesce(customers.customer_id, summed.customer_id) as customer_id,
        customers.net_revenue_total,
        summed.net_amount
    from customers
    full outer join summed on customers.customer_id = summed.customer_id
    where customers.net_revenue_total is distinct from coalesce(summed.net_amount, 0)
)

select * from final
