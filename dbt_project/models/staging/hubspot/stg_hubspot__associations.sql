with

associations as (
    {{ current_records(
        source('raw_hubspot', 'associations'),
        ['from_type', 'from_id', 'to_type', 'to_id', 'category', 'type_id']
    ) }}
),

final as (
    select
        from_type,
        from_id,
        to_type,
        to_id,
        category,
        cast(type_id as integer) as type_id,
        {{ cleaned_text('label') }} as label,
        lower(coalesce(label, '')) = 'primary' as is_primary,
        _load_id as load_id
    from associations
)

select * from final
