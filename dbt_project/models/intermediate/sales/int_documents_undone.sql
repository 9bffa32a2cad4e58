with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
),

returned as (
    select * from {{ ref('int_sales_lines_returned') }}
),

totals as (
    select
        lines.document_id,
        lines.customer_id,
        lines.is_credit_note,
        min(lines.invoiced_on) as invoiced_on,
        sum(lines.line_amount_net) as net_amount,
        sum(coalesce(returned.taken_quantity, 0)) as taken_quantity,
        sum(coalesce(returned.uncredited_amount, greatest(0, lines.line_amount_net)))
            as uncredited_amount
    from lines
    left join returned on lines.line_id = returned.line_id
    where lines.customer_id is not null
    group by lines.document_id, lines.customer_id, lines.is_credit_note
),

-- Only what no line told: credit notes that took back no piece, invoices nothing was taken from.
untold as (
    select
        *,
        abs(net_amount) as amount,
        case when is_credit_note then -1 else 1 end as direction
    from totals
    where
        (is_credit_note and net_amount < 0 and taken_quantity = 0)
        or (not is_credit_note and net_amount > 0 and uncredited_amount = net_amount)
),

-- The newest invoice of that amount first, as with the pieces of a line.
stacked as (
    select
        *,
        sum(direction) over (
            partition by customer_id, amount
            order by invoiced_on asc, is_credit_note asc, document_id asc
            rows between unbounded preceding and current row
        ) as height
    from untold
),

lowest as (
    select
        *,
        min(height) over (
            partition by customer_id, amount
            order by invoiced_on asc, is_credit_note asc, document_id asc
            rows between current row and unbounded following
        ) as lowest_height
    from stacked
),

final as (
    select document_id
    from lowest
    where not is_credit_note and lowest_height < height
)

select * from final
