{{ config(materialized='view') }}

with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
),

returned as (
    select * from {{ ref('int_sales_lines_returned') }}
),

-- A line that no return could touch is not among them: all of it is left.
final as (
    select
        lines.*,
        coalesce(
            returned.remaining_quantity,
            greatest(0, {{ signed_pieces('lines.quantity', 'lines.line_amount_net') }})
        ) as remaining_quantity,
        coalesce(returned.uncredited_amount, greatest(0, lines.line_amount_net))
            as uncredited_amount
    from lines
    left join returned on lines.line_id = returned.line_id
)

select * from final
