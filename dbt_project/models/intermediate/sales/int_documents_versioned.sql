with

lines as (
    select * from {{ ref('int_sales_lines_keyed') }}
),

versions as (
    select
        document_key,
        document_kind,
        invoiced_on,
        source,
        version,
        max(load_id) as load_id,
        count(*) as line_count,
        sum(line_amount_net) as net_amount
    from lines
    group by document_key, document_kind, invoiced_on, source, version
),

-- An invoice and a credit note may bear one number, as their number ranges are often separate.
-- They are one document only on one day, or where one export did not say which is which.
compared as (
    select
        *,
        max(version) over (partition by document_key, document_kind) as newest_of_kind,
        max(version) over (partition by document_key, invoiced_on) as newest_of_day,
        max(case when document_kind is null then version end)
            over (partition by document_key) as newest_of_no_kind,
        max(version) over (partition by document_key) as newest_of_all
    from versions
),

final as (
    select
        document_key,
        document_kind,
        invoiced_on,
        source,
        version,
        load_id,
        line_count,
        cast(net_amount as decimal(28, 6)) as net_amount,
        version < greatest(
            newest_of_kind,
            newest_of_day,
            coalesce(newest_of_no_kind, newest_of_kind),
            case when document_kind is null then newest_of_all else newest_of_kind end
        ) as is_superseded
    from compared
)

select * from final
