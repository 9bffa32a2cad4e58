{{ config(materialized='view') }}

with

lines as (
    select * from {{ ref('int_sales_lines_identified') }}
),

returned as (
    select * from {{ ref('int_sales_lines_returned') }}
),

undone as (
    select * from {{ ref('int_documents_undone') }}
),

-- A line that no return could touch is not among the returned: all of it is left.
final as (
    select
        lines.*,
        case
            when undone.document_id is not null then 0
            else coalesce(
                returned.remaining_quantity,
                greatest(0, {{ signed_pieces('lines.quantity', 'lines.line_amount_net') }})
            )
        end as remaining_quantity,
        case
            when undone.document_id is not null then 0
            else coalesce(returned.uncredited_amount, greatest(0, lines.line_amount_net))
        end as uncredited_amount
    from lines
    left join returned on lines.line_id = returned.line_id
    left join undone on lines.document_id = undone.document_id
)

select * from final
